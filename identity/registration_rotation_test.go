package identity_test

import (
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// A token that never changes is for those of whom a copy of it is worth nothing.
func TestCleanRegistration_rotationNoneIsForConstrainedClients(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method string
		bound  bool
		good   bool
	}{{"none", false, false}, {"none", true, true}, {"", false, true}, {"client_secret_basic", false, true}} {
		m := full()
		m.AuthMethod, m.DPoPBound, m.Rotation = c.method, c.bound, identity.RotateNone
		got, err := identity.CleanRegistration(m)
		if (err == nil) != c.good || c.good && (got.Rotation != identity.RotateNone || got.DPoPBound != c.bound) {
			t.Errorf("%+v: %+v, %v", c, got, err)
		}
	}
	for _, rotation := range []identity.Rotation{"", identity.RotateForking, identity.RotateStrict} {
		m := full()
		m.Rotation = rotation
		if got, err := identity.CleanRegistration(m); err != nil || got.Rotation != rotation {
			t.Errorf("%q: registered as %q: %v", rotation, got.Rotation, err)
		}
	}
}
