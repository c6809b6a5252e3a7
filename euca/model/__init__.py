"""The nouns of the field as pure values: no network, no files, no database, no clock."""
