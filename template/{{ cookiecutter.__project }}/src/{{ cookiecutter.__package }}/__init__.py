"""{{ cookiecutter.title }} for tickwire."""
