"""What a program can be written as: Python for torch, pictures, data. Import the room you need."""
