"""The command csv_config_list."""

from csv_manager.patterns import CsvCommandsPattern
from csv_manager.patterns.csv_commands_pattern import format_option


class CsvConfigPlugin(CsvCommandsPattern):
    """Shows the settings in force."""

    def activate(self) -> None:
        """Register the command."""
        self.commands.register(
            "csv_config_list",
            "Show every setting, its value, and where it came from.\n\nPasswords are not shown.\n\n"
            "\b\nExample:\n  csv_manager --config mine.yaml csv_config_list",
            self.csv_config_list,
            params=[format_option()],
        )

    def csv_config_list(self, form: str = "table") -> None:
        """Write the settings."""
        self.answer(self.settings(), ("name", "value", "origin"), form)
