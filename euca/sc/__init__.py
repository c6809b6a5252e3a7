"""The storage controller: the volumes of one cluster."""
