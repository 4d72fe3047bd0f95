// Package errorsx is the part of github.com/ory/x/errorsx that fosite calls, written anew.
// It must not import anything: fosite wraps every refusal through it on the hot path.
package errorsx

// StatusCodeCarrier is an error that knows its HTTP status.
type StatusCodeCarrier interface{ StatusCode() int }

// RequestIDCarrier is an error that knows the request that caused it.
type RequestIDCarrier interface{ RequestID() string }

// ReasonCarrier is an error that can say more than its message.
type ReasonCarrier interface{ Reason() string }

// DebugCarrier is an error with details that only developers should see.
type DebugCarrier interface{ Debug() string }

// StatusCarrier is an error that can name its HTTP status in words.
type StatusCarrier interface{ Status() string }

// DetailsCarrier is an error with structured details.
type DetailsCarrier interface{ Details() map[string]any }

// WithStack returns err as it is. A refusal is an ordinary answer here, not a fault to be traced:
// recording a stack for each would only cost time.
func WithStack(err error) error { return err }

// Cause returns the innermost error of a chain built with Cause methods.
func Cause(err error) error {
	for {
		wrapped, ok := err.(interface{ Cause() error })
		if !ok || wrapped.Cause() == nil {
			return err
		}
		err = wrapped.Cause()
	}
}
