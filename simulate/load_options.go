package simulate

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"
)

// LoadOptions say what Load does to a server.
type LoadOptions struct {
	Target      string // the issuer
	Mine        bool   // the operator says so: the target need not be this machine
	ClientID    string // a public client with the grants authorization_code and refresh_token
	RedirectURI string // one that it registered; nothing has to listen there
	Email       string
	Password    string
	TOTP        []byte // the secret of the user's authenticator; empty: none
	Devices     int
	Duration    time.Duration
	Rate        float64 // refreshes per second, of all phones together
	Loss        float64 // of the requests: the connection is cut as soon as they are sent
	Parallel    float64 // of the refreshes: asked twice at once, either answer kept
	Seed        uint64
	Wall        func() time.Time
}

// The bounds of a run, so that a slip of the finger is no attack.
const (
	maxLoadDevices  = 10_000
	maxLoadRate     = 5_000
	maxLoadDuration = 30 * time.Minute
)

func (o LoadOptions) problems() error {
	var all []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	target, err := url.Parse(o.Target)
	bad := err != nil || (target.Scheme != "http" && target.Scheme != "https") || target.Host == ""
	refuse(bad, "--target: the issuer's address, such as http://localhost:8080")
	refuse(!bad && !o.Mine && !loopback(target.Hostname()),
		"--target: %s is not this machine; if the server is yours, say --i-own-this-server", o.Target)
	refuse(o.ClientID == "", "--client: the client_id of a public app")
	refuse(o.Email == "" || o.Password == "", "--email and --password-stdin: somebody has to sign in")
	refuse(o.Devices < 1 || o.Devices > maxLoadDevices, "--devices: between 1 and %d", maxLoadDevices)
	refuse(o.Duration < time.Second || o.Duration > maxLoadDuration, "--duration: between 1s and %v", maxLoadDuration)
	refuse(!(o.Rate > 0 && o.Rate <= maxLoadRate), "--rate: more than 0 and at most %d a second", maxLoadRate)
	refuse(o.Rate > float64(o.Devices), "--rate: at most one refresh per second and device, so with %d devices at most %d", o.Devices, o.Devices)
	refuse(!(o.Loss >= 0 && o.Loss <= maxShare), "--loss: between 0%% and 50%%")
	refuse(!(o.Parallel >= 0 && o.Parallel <= maxShare), "--parallel: between 0%% and 50%%")
	return errors.Join(all...)
}

// loopback reports whether a host is this machine, whatever a name server says.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
