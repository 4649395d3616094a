"""Service: the command line and everything that joins the rooms."""
