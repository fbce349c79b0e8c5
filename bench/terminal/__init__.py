"""Text for people and for spreadsheets: tables as wide as the terminal, names from outside made harmless."""
