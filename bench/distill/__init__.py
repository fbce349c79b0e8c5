"""`bench distill`: a transfer set, what a teacher says of it, and a student that is trained on both."""
