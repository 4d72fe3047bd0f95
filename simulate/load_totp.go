package simulate

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238 is made of it
	"encoding/binary"
	"fmt"
	"time"
)

// totpCode is what the person's authenticator shows (RFC 6238 §4 with the 30 s and 6 digits that everyone has).
func totpCode(secret []byte, now time.Time) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(now.Unix()/30)))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf // RFC 4226 §5.3
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}
