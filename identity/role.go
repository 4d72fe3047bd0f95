package identity

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Role is what a person may do at the operators' desk. Each may do what the one before may.
type Role string

// The roles.
const (
	NoRole       Role = ""
	RoleReader   Role = "reader"   // sees
	RoleSupport  Role = "support"  // acts on persons
	RoleOperator Role = "operator" // acts on everything
)

// Roles are all of them, the least first.
var Roles = []Role{RoleReader, RoleSupport, RoleOperator}

// none is how no role is spelled.
const none = "none"

// ReadRole reads a role as operators type it; none is NoRole. Refusal: Invalid, field role.
func ReadRole(text string) (Role, error) {
	if role := Role(text); slices.Contains(Roles, role) {
		return role, nil
	}
	if text == none {
		return NoRole, nil
	}
	return NoRole, RefuseField("role", "Use reader, support, operator or none.")
}

// String is how operators type it.
func (r Role) String() string {
	if r == NoRole {
		return none
	}
	return string(r)
}

// Covers reports whether who has the role may do what another one is needed for. Nobody without one may do anything.
func (r Role) Covers(needed Role) bool {
	return r != NoRole && slices.Index(Roles, r) >= slices.Index(Roles, needed)
}

// Office is the role that a person has, and since when. Who has none has had none since the zero time.
type Office struct {
	Role  Role
	Since time.Time // what began at the desk until then is over
}

// Officer is a person who has a role.
type Officer struct {
	User User
	Office
}

type roleStore interface {
	ledger
	// OfficeOf returns a person's role, the zero Office for none.
	OfficeOf(ctx context.Context, userID ID) (Office, error)
	// SetRole gives a person another role from now on, or takes it: false where it is theirs already, NotFound without a user,
	// Conflict where nobody else is an operator and this one would be none any more.
	SetRole(ctx context.Context, userID ID, r Role) (bool, error)
}

// Offices gives and takes the roles of the operators' desk.
type Offices struct {
	Store roleStore
	Now   func() time.Time
}

// Set gives a person a role, or takes it. What they have open at the desk is over at once, and stays so when the role comes
// back; nothing else of theirs ends. False where the role is theirs already. Refusals: NotFound; Conflict for the last operator,
// who stays one until there is another.
func (o Offices) Set(ctx context.Context, userID ID, r Role) (changed bool, err error) {
	err = o.Store.InTx(ctx, func(ctx context.Context) error {
		if changed, err = o.Store.SetRole(ctx, userID, r); err != nil || !changed {
			return err
		}
		return o.Store.AddEvent(ctx, Event{ID: NewID(), At: o.Now(), Kind: RoleChanged, UserID: userID, Detail: r.String()})
	})
	return changed, err
}

// Act is what an operator does at the desk, to whom or what, and why.
type Act struct {
	What      string // like lock
	Reason    string
	UserID    ID
	SessionID ID
	ClientID  string
}

// Because does what an operator gave a reason for: with it, in one transaction, goes an Event that says what and why, beside those
// of what was done. Where it is done to a person, their row is locked first: who may act on whom is judged in do, and no role is
// given or taken in between. Refusal: Invalid, field reason, without one; else what do refuses.
func (o Operators) Because(ctx context.Context, a Act, do func(context.Context) error) error {
	reason, err := Reason(a.Reason)
	if err != nil {
		return err
	}
	return o.Store.InTx(ctx, func(ctx context.Context) error {
		if a.UserID != (ID{}) {
			if err := o.Store.LockUser(ctx, a.UserID); err != nil {
				return err
			}
		}
		err := o.tell(ctx, Event{ // first: what erases a person erases what was said of them
			Kind: OperatorActed, UserID: a.UserID, SessionID: a.SessionID, ClientID: a.ClientID,
			Detail: strings.TrimSpace(a.What) + ": " + reason,
		})
		if err != nil {
			return err
		}
		return do(ctx)
	})
}
