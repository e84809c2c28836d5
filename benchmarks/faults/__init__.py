"""What becomes of the records when their receiver fails: receivers that do, and the counting."""
