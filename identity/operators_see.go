package identity

import "context"

// Dossier is all that is known of one Session.
type Dossier struct {
	Live
	Events []Event // the newest first
}

// maxTold bounds the Events that one look at a Session brings.
const maxTold = 100

// Session returns a Session, over or not, with whose it is and what happened to it; NotFound when there is none.
func (o Operators) Session(ctx context.Context, id ID) (d Dossier, err error) {
	if d.Session, err = o.Store.SessionByID(ctx, id); err != nil {
		return d, err
	}
	if d.User, err = o.Store.UserByID(ctx, d.Session.UserID); err != nil {
		return d, err
	}
	d.Events, err = o.Store.Events(ctx, EventQuery{UserID: d.User.ID, SessionID: id, Limit: maxTold})
	return d, err
}
