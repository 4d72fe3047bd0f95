package simulate

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Policy is the rotation rule that is put to the test.
type Policy string

// The policies.
const (
	Ours   Policy = "ours"   // refresh_rotation rotate, the server's default
	Strict Policy = "strict" // refresh_rotation strict
	Window Policy = "window" // the usual 30 s grace, simulated without a database
)

// Options say what Run simulates. Shares are between 0 and 1.
type Options struct {
	Devices  int
	Days     int
	Loss     float64 // of the answers: lost on the way, or killed with the app before it stored them
	Late     float64 // of the requests: given up by the phone, delivered half a minute to five minutes later
	Parallel float64 // of the refreshes: asked twice at once, either answer kept
	Thieves  int     // each copies the refresh token of one device, once
	Policy   Policy
	Database string           // postgres://…; empty: temporary SQLite files
	Seed     uint64           // the same seed, the same lives
	Progress io.Writer        // one line, written over every second; nil: none
	Wall     func() time.Time // the time of the world outside, for the speed alone
}

const (
	maxDevices = 1_000_000
	maxDays    = 3650
	maxShare   = .5 // beyond it phones hardly ever get through
)

// problems returns every one, each in the words of the command line.
func (o Options) problems() error {
	var all []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	refuse(o.Devices < 1 || o.Devices > maxDevices, "--devices: between 1 and %d", maxDevices)
	refuse(o.Days < 1 || o.Days > maxDays, "--days: between 1 and %d", maxDays)
	refuse(o.Thieves < 0 || o.Thieves > o.Devices, "--thieves: between 0 and the number of devices, since each robs another one")
	for _, share := range []struct {
		flag  string
		value float64
	}{{"loss", o.Loss}, {"late", o.Late}, {"parallel", o.Parallel}} {
		refuse(!(share.value >= 0 && share.value <= maxShare), "--%s: between 0%% and 50%%", share.flag)
	}
	refuse(o.Policy != Ours && o.Policy != Strict && o.Policy != Window, "--policy: ours, strict or window")
	postgres := strings.HasPrefix(o.Database, "postgres://") || strings.HasPrefix(o.Database, "postgresql://")
	refuse(o.Database != "" && !postgres, "--database: a postgres:// address; without one a temporary SQLite database is made and removed")
	refuse(o.Database != "" && o.Policy == Window, "--database: the policy window is simulated without one")
	return errors.Join(all...)
}
