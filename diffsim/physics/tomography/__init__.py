"""A volume that absorbs, and pictures of it from several sides."""
