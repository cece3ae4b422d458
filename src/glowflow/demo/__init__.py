"""The web page: a server that turns images into latents and back, and a page that does the rest."""
