"""The command ``tickwire``: one file per subcommand."""
