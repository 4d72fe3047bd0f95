package resource

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// Whatever the feed says, it is read whole or not at all.
func FuzzMessage(f *testing.F) {
	f.Add(`{"iss":"i","from":0,"to":2,"tag":"ab","marks":[["s","sid"],["p","ada",3,["kept"]]]}`)
	f.Add(`{"iss":"i","iat":1,"nonce":"n","at":2,"tag":"ab","window":660,"acr":"mfa"}`)
	f.Add(`{"iss":"i","from":-1,"to":9223372036854775807,"marks":[["c","app",18446744073709551615]]}`)
	f.Fuzz(func(t *testing.T, text string) {
		members, err := readMessage([]byte(text), "i")
		if err != nil {
			return
		}
		if b, err := readBatch(members); err == nil {
			if b.from < 0 || b.to < b.from || len(b.marks) > maxMarksInBatch {
				t.Errorf("%+v", b)
			}
			for _, one := range b.marks {
				if !strings.ContainsRune("stpc", rune(one.kind)) || one.name == "" {
					t.Errorf("%+v", one)
				}
			}
		}
		if b, err := readBeat(members); err == nil && (b.at < 0 || b.window <= 0 || b.window > maxWindow) {
			t.Errorf("%+v", b)
		}
	})
}

// A credential is one word of an access token's letters, or none.
func FuzzCredential(f *testing.F) {
	for _, one := range []string{"Bearer abc", "DPoP abc==", "bearer  a", "Basic YTpi", "Bearer", "Bearer a b"} {
		f.Add(one)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := readCredential(http.Header{"Authorization": {text}})
		if err == nil && (c.token == "" || strings.ContainsAny(c.token, " \t\r\n\",") || !strings.HasSuffix(text, c.token)) {
			t.Errorf("%q is read as %q", text, c.token)
		}
	})
}

// A proof that is read was signed by a key that it names.
func FuzzProof(f *testing.F) {
	f.Add("a.b.c")
	f.Add("eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2In0.e30.AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := readProof(text, []string{"ES256"}); err == nil && (p.thumbprint == "" || p.id == "") {
			t.Errorf("%+v", p)
		}
	})
}

// An address is compared in one form, which stays as it is.
func FuzzNormal(f *testing.F) {
	for _, address := range []string{"HTTPS://API.example.com:443/%7ea?x#y", "http://h/%zz", "//h", "http://:80", "https://[::1]:443"} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		once, err := normal(address)
		if err != nil {
			return
		}
		if again, err := normal(once); err != nil || again != once {
			t.Errorf("%q is %q, and then %q %v", address, once, again, err)
		}
	})
}

// Addresses are compared as RFC 3986 §6.2.2 wants it.
func TestNormal_addressesThatAreTheSame(t *testing.T) {
	for _, two := range [][2]string{
		{"https://API.example.com/notes", "https://api.example.com:443/notes"},
		{"HTTP://api.example.com/a%2fb", "http://api.example.com:80/a%2Fb"},
		{"https://api.example.com/notes?x=1#y", "https://api.example.com/notes"},
	} {
		one, err := normal(two[0])
		other, err2 := normal(two[1])
		if err != nil || err2 != nil || one != other {
			text, _ := json.Marshal([]string{one, other})
			t.Errorf("%v: %s, %v %v", two, text, err, err2)
		}
	}
}
