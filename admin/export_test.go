package admin

// Door is an address of the desk: who may go there.
type Door = door

// Doors are all of them but those that open and close the desk.
func (d *Desk) Doors() []Door { return d.doors }
