"""`lorarium adopt`: everything that is learned for a base, stage by stage, into a folder of its
own."""
