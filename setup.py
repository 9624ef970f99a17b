"""What pyproject.toml cannot say: of the files at the top, the model card and `__main__.py` go into the wheel."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CARD = "model_card.md"


class BuildWithCard(build_py):
    """Puts the card beside the module that reads it (evaluation/reports/card_template.py)."""

    def run(self) -> None:
        """In an editable install the module finds the card where it is written."""
        super().run()
        if not self.editable_mode:
            self.copy_file(CARD, self._place())

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """Of the folder at the top, which is the package `emofusion` itself, no scripts."""
        found = super().find_package_modules(package, package_dir)
        return [module for module in found if package != "emofusion" or module[1] == "__main__"]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """With the card, so that it is known to belong to the package."""
        return [*super().get_outputs(include_bytecode), *([] if self.editable_mode else [self._place()])]

    def get_source_files(self) -> list[str]:
        """With the card, so that it is in the source distribution, too."""
        return [*super().get_source_files(), CARD]

    def _place(self) -> str:
        return str(Path(self.build_lib, "emofusion", "evaluation", "reports", CARD))


setup(cmdclass={"build_py": BuildWithCard})
