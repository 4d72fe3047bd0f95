package identity

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// StateCookie is the name of the cookie that scripts of ours may read: who is signed in changed, if it did (OpenID
// Connect Session Management 1.0 §3). It opens nothing.
const StateCookie = "sojourn_state"

// BrowserState is what the cookie holds: another value after every sign-in, second factor and change of credentials. It
// is made from the secret's hash, so it says nothing of either.
func (s Standing) BrowserState() string {
	sum := sha256.Sum256(append([]byte("sojourn browser state "), s.SignIn.SecretHash...))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// SessionState is session_state: what an app gives to our frame in its page, which compares it with the browser's state
// (Session Management 1.0 §3.2). The origin is the app's; the salt keeps two apps from comparing theirs.
func (s Standing) SessionState(clientID, origin, salt string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{clientID, origin, s.BrowserState(), salt}, " ")))
	return hex.EncodeToString(sum[:]) + "." + salt
}
