"""The command line for administrators: `python -m euca.admin`."""
