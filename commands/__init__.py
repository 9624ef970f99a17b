"""The command `emofusion`: one verb for each thing that it does."""
