//go:build !unix

package authorizedkeys

import (
	"errors"
	"fmt"
)

const openNonblock = 0

// CheckPermissions cannot tell who may write a file on this system, and
// returns an error that is errors.ErrUnsupported.
func CheckPermissions(path, home string, uid int) error {
	return fmt.Errorf("authorizedkeys: permissions of %s: %w", path, errors.ErrUnsupported)
}
