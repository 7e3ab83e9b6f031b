"""What the published guidelines say, section by section, from the settings in force."""
