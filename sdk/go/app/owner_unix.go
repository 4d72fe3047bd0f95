//go:build unix

package app

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

const isWindows = false

// ownedByUs refuses a file that another user made: what is in it may be theirs, and what we write they may read.
func ownedByUs(info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d, not to us", stat.Uid)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("others may read it (mode %o): make it chmod 600", info.Mode().Perm())
	}
	return nil
}
