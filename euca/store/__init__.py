"""The only door to the database: its engine, its migrations, and the accounts that all share."""
