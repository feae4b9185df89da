"""Files that come with the program: icons, sample patches, attributions."""
