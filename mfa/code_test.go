package mfa

import (
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/sojourn-auth/sojourn/identity"
)

// vectors are the SHA-1 rows of RFC 6238 appendix B: eight digits, of which authenticators show the last six.
var vectors = []struct {
	unix int64
	code string
}{
	{59, "94287082"},
	{1111111109, "07081804"},
	{1111111111, "14050471"},
	{1234567890, "89005924"},
	{2000000000, "69279037"},
	{20000000000, "65353130"},
}

const vectorSecret = "12345678901234567890"

func TestCode_followsRFC6238AppendixB(t *testing.T) {
	t.Parallel()
	for _, v := range vectors {
		step := v.unix / period
		eight, err := hotp.GenerateCodeCustom(secretText.EncodeToString([]byte(vectorSecret)), uint64(step), hotp.ValidateOpts{
			Digits: otp.DigitsEight, Algorithm: otp.AlgorithmSHA1,
		})
		if err != nil || eight != v.code {
			t.Errorf("at %d: eight digits are %q (%v), want %q", v.unix, eight, err, v.code)
		}
		got, ok, err := match([]byte(vectorSecret), v.code[2:], time.Unix(v.unix, 0))
		if err != nil || !ok || got != step {
			t.Errorf("at %d: match = step %d, %v, %v; want step %d", v.unix, got, ok, err, step)
		}
	}
}

func TestCode_mayBeOneStepOffAndNoMore(t *testing.T) {
	t.Parallel()
	now := time.Unix(1234567890, 0)
	current := now.Unix() / period
	for off := int64(-3); off <= 3; off++ {
		code, err := codeAt([]byte(vectorSecret), current+off)
		if err != nil {
			t.Fatal(err)
		}
		step, ok, err := match([]byte(vectorSecret), code, now)
		if want := off >= -1 && off <= 1; err != nil || ok != want {
			t.Errorf("a code %d steps off: %v, %v; want %v", off, ok, err, want)
		}
		if ok && step != current+off {
			t.Errorf("a code %d steps off is taken for step %d, want %d", off, step, current+off)
		}
	}
}

func TestCode_isReadAsPeopleTypeIt(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"123456": "123456", "123 456": "123456", " 123-456\n": "123456", "12\u00a034\u200356": "123456",
		"１２３４５６": "123456", "000000": "000000",
		"١٢٣٤٥٦": "123456", "۱۲۳۴۵۶": "123456", "१२३ ४५६": "123456", "𝟭𝟮𝟯𝟰𝟱𝟲": "123456", // Arabic-Indic, Persian, Devanagari, mathematical
		"123–456": "123456", "123—456": "123456", "123−456": "123456", "123‐456": "123456", "１２３－４５６": "123456", "123ー456": "123456",
		"12\u00ad3456": "123456", "\u200b123\u200d456\ufeff": "123456", "\u202a123456\u202c": "123456", "123\u00a0456": "123456",
		"": "", "12345": "", "1234567": "", "12345a": "", "abcdef": "", "-12345": "", "+12345": "", "12.456": "",
		"\xff\xff\xff": "", "12345\x00": "", "１２３": "", "12345½": "", "12345万": "",
	} {
		got, err := cleanCode(typed)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("cleanCode(%q) = %q, %v; want %q", typed, got, err, want)
		}
		if err != nil && identity.KindOf(err) != identity.Invalid {
			t.Errorf("cleanCode(%q) refuses as kind %v, want Invalid", typed, identity.KindOf(err))
		}
	}
}

func TestCode_digitsOfEveryScriptAreRead(t *testing.T) {
	t.Parallel()
	zeros := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !unicode.IsDigit(r) {
			continue
		}
		want := strings.Repeat(valueOf(r), 6)
		if got, err := cleanCode(strings.Repeat(string(r), 6)); err != nil || got != want {
			t.Errorf("%c (%U) is read as %q, %v", r, r, got, err)
		}
		zeros++
	}
	if zeros < 600 {
		t.Errorf("only %d digits", zeros)
	}
}

// valueOf is the value of a digit, as the digits before it say.
func valueOf(r rune) string {
	first := r
	for unicode.IsDigit(first - 1) {
		first--
	}
	return strconv.Itoa(int(r-first) % 10)
}

func FuzzCode(f *testing.F) {
	for _, seed := range []string{"123 456", "１２３４５６", "\xff", "12345６", "١٢٣–٤٥٦", "۱۲۳\u200c۴۵۶", "123\u00ad456"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, err := cleanCode(typed)
		if err != nil {
			return
		}
		if n, err := strconv.ParseUint(code, 10, 64); len(code) != 6 || err != nil || n > 999999 {
			t.Fatalf("cleanCode(%q) = %q, which is not six digits", typed, code)
		}
		if again, err := cleanCode(code); err != nil || again != code {
			t.Fatalf("cleanCode(%q) = %q, %v; it was clean already", code, again, err)
		}
	})
}

func TestRecoveryCode_isReadAsPeopleTypeIt(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"4k7m-9xqd-2f": "4k7m9xqd2f", "4K7M9XQD2F": "4k7m9xqd2f", " 4k7m 9xqd 2f ": "4k7m9xqd2f",
		"olIO-0000-00": "0110000000", "4k7m–9xqd–2f": "4k7m9xqd2f", "4k7m−9xqd\u00a02f": "4k7m9xqd2f", "４Ｋ７Ｍ－９ｘｑｄ－２ｆ": "4k7m9xqd2f",
		"٤k۷m-९xqd-٢f": "4k7m9xqd2f", "4k7m\u00ad9xqd\u200b2f\ufeff": "4k7m9xqd2f",
		"": "", "4k7m-9xqd-2": "", "4k7m-9xqd-2fa": "", "4k7m-9xqd-2u": "", "4k7m_9xqd2f": "",
		"123456": "", "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6": "", "4k7m9xqd2\x00": "",
	} {
		got, err := cleanRecoveryCode(typed)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("cleanRecoveryCode(%q) = %q, %v; want %q", typed, got, err, want)
		}
	}
}

func TestRecoveryCodes_areTenThatReadBack(t *testing.T) {
	t.Parallel()
	codes := newRecoveryCodes()
	seen := map[string]bool{}
	for _, code := range codes {
		seen[code] = true
		if back, err := cleanRecoveryCode(grouped(code)); err != nil || back != code {
			t.Errorf("%q is read back as %q, %v", grouped(code), back, err)
		}
	}
	if len(codes) != 10 || len(seen) != 10 {
		t.Errorf("%d codes, %d different; want 10", len(codes), len(seen))
	}
}

func FuzzRecoveryCode(f *testing.F) {
	for _, seed := range []string{"4k7m-9xqd-2f", "OLIO-0000-00", "\xff", "K4k7m9xqd2f", "٤k۷m–९xqd−٢f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, err := cleanRecoveryCode(typed)
		if err != nil {
			return
		}
		if again, err := cleanRecoveryCode(grouped(code)); err != nil || again != code {
			t.Fatalf("cleanRecoveryCode(%q) = %q, which is read back as %q, %v", typed, code, again, err)
		}
	})
}

func TestParseSecret_takesWhatPeopleHave(t *testing.T) {
	t.Parallel()
	const want = "Hello!\xde\xad\xbe\xef"
	for _, text := range []string{"JBSWY3DPEHPK3PXP", "jbsw y3dp ehpk 3pxp", "JBSW-Y3DP-EHPK-3PXP", " JBSWY3DPEHPK3PXP====\n", "JBSW–Y3DP−EHPK\u00a03PXP", "ＪＢＳＷ\u200bY3DPEHPK3PXP"} {
		if got, err := ParseSecret(text); err != nil || string(got) != want {
			t.Errorf("ParseSecret(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "JBSWY3DP", "JBSWY3DPEHPK3PX1", "JBSWY3DPEHPK3PXPÄ", string(make([]byte, 200))} {
		if got, err := ParseSecret(text); err == nil {
			t.Errorf("ParseSecret(%q) = %q, want an error", text, got)
		}
	}
}

func FuzzParseSecret(f *testing.F) {
	f.Add("JBSWY3DPEHPK3PXP")
	f.Fuzz(func(t *testing.T, text string) {
		secret, err := ParseSecret(text)
		if err != nil {
			return
		}
		again, err := ParseSecret(secretText.EncodeToString(secret))
		if err != nil || string(again) != string(secret) {
			t.Fatalf("ParseSecret(%q) does not read back", text)
		}
	})
}
