package loopback

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
)

// Browser returns an Open that prints the address to out and, unless only printing is wanted, opens the system's browser.
func Browser(out io.Writer, printOnly bool) func(ctx context.Context, url string) error {
	return func(ctx context.Context, url string) error {
		fmt.Fprintf(out, "Sign in here:\n\n  %s\n\n", url)
		if printOnly {
			return nil
		}
		command := opener(context.WithoutCancel(ctx), url)
		if err := command.Start(); err != nil {
			return nil //nolint:nilerr // no browser that we know of: the address was printed
		}
		go command.Wait() //nolint:errcheck // whether it worked, the person sees
		return nil
	}
}

func opener(ctx context.Context, url string) *exec.Cmd {
	switch runtime.GOOS {
	case "darwin":
		return exec.CommandContext(ctx, "open", url)
	case "windows":
		return exec.CommandContext(ctx, "rundll32", "url.dll,FileProtocolHandler", url)
	default:
		return exec.CommandContext(ctx, "xdg-open", url)
	}
}
