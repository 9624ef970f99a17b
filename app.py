"""The page on which visitors give a clip and read the answer; also what a Space of Hugging Face starts.

python app.py --model models/emofusion-small
"""

if __name__ == "__main__":  # the processes that decode clips read this file, too, and need no page
    from emofusion.serving.page.command import main

    main()
