// Package bench measures a running server over HTTP, beside the floor: a bare net/http handler that does the same
// single-row UPDATE and one ES256 signature. Both run as processes of their own and are driven by the same client.
//
// Its one rule: a number is only worth something beside the floor of the same run. `make bench` runs it.
// It holds no code but tests.
package bench
