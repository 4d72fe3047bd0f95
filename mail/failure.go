package mail

import (
	"errors"
	"fmt"
	"net/textproto"
	"slices"

	gomail "github.com/wneessen/go-mail"
)

// ErrRefused marks, by errors.Is, a mail that will never arrive: the server does not take mail for that address, or not
// this mail.
var ErrRefused = errors.New("refused for good")

// connecting tells why no mail could be offered. Of what the server answered only the code is told: the rest may repeat
// the login name.
func connecting(err error) error {
	if answer, ok := errors.AsType[*textproto.Error](err); ok {
		return fmt.Errorf("the mail server answered %d before any mail was offered", answer.Code)
	}
	return fmt.Errorf("connect to the mail server: %w", err)
}

// sending tells why a mail was not taken. Of what the server answered only the codes are told: the rest may repeat the
// address, and filters quote links.
func sending(err error) error {
	failure, ok := errors.AsType[*gomail.SendError](err)
	if !ok || failure.ErrorCode() == 0 {
		return errors.New("the connection to the mail server broke before it took the mail")
	}
	told := fmt.Errorf("the mail server answered %d %s (%s)", failure.ErrorCode(), failure.EnhancedStatusCode(), failure.Reason)
	// RFC 5321 §4.2.1: 5yz is for good. Of the sender it is a setting that an operator puts right meanwhile.
	atMail := []gomail.SendErrReason{gomail.ErrSMTPRcptTo, gomail.ErrSMTPData, gomail.ErrSMTPDataClose}
	if failure.ErrorCode() >= 500 && slices.Contains(atMail, failure.Reason) {
		return fmt.Errorf("%w: %w", ErrRefused, told)
	}
	return told
}
