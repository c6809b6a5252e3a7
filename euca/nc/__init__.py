"""The node controller: runs instances on one host, as its cluster controller asks."""
