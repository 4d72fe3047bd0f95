package server

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// atlas writes a database that knows a few networks.
func atlas(t *testing.T, kind string, known map[string]mmdbtype.Map) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, record := range known {
		_, block, err := net.ParseCIDR(network)
		if err == nil {
			err = tree.Insert(block, record)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "places.mmdb")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.WriteTo(file); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func in(name string) mmdbtype.Map {
	return mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(name)}}
}

func TestPlaces_sayWhatTheDatabaseKnowsAndNothingElse(t *testing.T) {
	t.Parallel()
	file := atlas(t, "Test-City", map[string]mmdbtype.Map{
		"203.0.113.0/24":  {"city": in("Berlin"), "country": in("Germany")},
		"2001:db8::/32":   {"country": in("France")},
		"198.51.100.0/24": {"city": mmdbtype.String("not a map")},
	})
	p, err := readPlaces(file)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"203.0.113.9": "Berlin, Germany", "2001:db8::1": "France", "192.0.2.1": "", "198.51.100.1": "", "": "", "x": "",
	} {
		if got := p.place(address); got != want {
			t.Errorf("%s is in %q, want %q", address, got, want)
		}
	}
	if none, err := readPlaces(""); err != nil || none.place("203.0.113.9") != "" {
		t.Errorf("without a database: %v", err)
	}
}

func TestPlaces_refusesAFileOfAnotherKind(t *testing.T) {
	t.Parallel()
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"absent", text, atlas(t, "Test-ASN", nil)} {
		if _, err := readPlaces(file); err == nil || !strings.HasPrefix(err.Error(), "SOJOURN_GEOIP: ") {
			t.Errorf("%s: %v", file, err)
		}
	}
}
