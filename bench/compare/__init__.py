"""Two runs, held against each other cell by cell: `bench compare A B`."""
