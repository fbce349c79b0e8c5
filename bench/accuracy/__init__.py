"""`bench accuracy`: how well image model, text model and their ensemble classify, over random splits."""
