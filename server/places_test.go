package server

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/sojourn-auth/sojourn/config"
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
	p, err := readPlaces(file, slog.New(slog.DiscardHandler))
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
	if none, err := readPlaces("", nil); err != nil || none.place("203.0.113.9") != "" {
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
		if _, err := readPlaces(file, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "SOJOURN_GEOIP: ") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestPlaces_areReadAgainWhenTheFileIsReplacedAndStayWhileItIsBroken(t *testing.T) {
	t.Parallel()
	where := func(country, code string) mmdbtype.Map {
		return mmdbtype.Map{
			"country":  mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(country)}, "iso_code": mmdbtype.String(code)},
			"location": mmdbtype.Map{"latitude": mmdbtype.Float64(52.5), "longitude": mmdbtype.Float64(13.4)},
		}
	}
	file := atlas(t, "Test-City", map[string]mmdbtype.Map{"203.0.113.0/24": where("Germany", "DE")})
	var told strings.Builder
	p, err := readPlaces(file, slog.New(slog.NewTextHandler(&told, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.locate("203.0.113.9"); got.Country != "DE" || !got.Located || got.Lat != 52.5 {
		t.Errorf("it is at %+v", got)
	}
	put := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(file, content, 0o600); err != nil { // in its place: who maps it would stop here
			t.Fatal(err)
		}
		p.look()
		p.look()
	}
	put([]byte("garbage"))
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p.look()
	if got := p.locate("203.0.113.9").Country; got != "DE" || strings.Count(told.String(), "the one before stays") != 2 {
		t.Errorf("it is in %q, and the log says %s", got, told.String())
	}
	other, err := os.ReadFile(atlas(t, "Test-City", map[string]mmdbtype.Map{"203.0.113.0/24": where("France", "FR")}))
	if err != nil {
		t.Fatal(err)
	}
	put(other)
	if got := p.place("203.0.113.9"); got != "France" {
		t.Errorf("it is in %q", got)
	}
}

func TestAnomalies_aServerDoesNotStartWithRulesThatAreWrong(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte("rules: [{name: A, signal: x}, {name: b, off: true}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := anomalyRules(file)
	if err == nil || !strings.HasPrefix(err.Error(), "SOJOURN_ANOMALIES: ") || !strings.Contains(err.Error(), "no signal") || !strings.Contains(err.Error(), "small letters") {
		t.Errorf("it says %v", err)
	}
	if rules, err := anomalyRules(config.Off); err != nil || rules != nil {
		t.Errorf("off is %d rules, %v", len(rules), err)
	}
}
