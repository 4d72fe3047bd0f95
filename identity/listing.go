package identity

// Account is a person as operators see them.
type Account struct {
	User
	TOTP      bool // an authenticator
	CodesLeft int  // recovery codes that were not used
	Sessions  int  // that live
}

// AccountQuery picks accounts, the newest first.
type AccountQuery struct {
	Email string // as CleanEmail returns it; empty: everyone
	After ID     // the last one of the page before; zero: from the start
	Limit int
}

// SessionQuery picks Sessions that live, the newest first.
type SessionQuery struct {
	UserID   ID     // zero: of everyone
	ClientID string // empty: of all clients
	After    ID
	Limit    int
}

// ClientQuery picks clients by their ids, in order, disabled ones too.
type ClientQuery struct {
	After string
	Limit int
}

// EventQuery picks Events, the newest first.
type EventQuery struct {
	UserID    ID // zero: of everyone
	SessionID ID // zero: of all
	After     ID
	Limit     int
}
