"""What else can a user ask for? One file per verb."""
