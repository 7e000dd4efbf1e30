"""What must be made, what is kept?"""
