"""emoji-sd: the small text-to-image model that ships, and the scenes it was trained on."""
