"""One module for each subcommand of snapshelf."""
