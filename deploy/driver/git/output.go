package git

import (
	"errors"
	"fmt"
	"os"

	"github.com/urban-robot/urban-robot/deploy/driver/process"
)

// setupOutput keeps the beginning of an output in a file, and then its end. A file that cannot be written to does not stop a setup.
type setupOutput struct {
	file   *os.File
	tail   process.Tail
	kept   int
	left   int
	failed error
}

// Write implements io.Writer. It never fails.
func (o *setupOutput) Write(p []byte) (int, error) {
	_, _ = o.tail.Write(p)
	part := p[:min(len(p), setupBytes-o.kept)]
	o.kept += len(part)
	o.left += len(p) - len(part)
	if _, err := o.file.Write(part); err != nil && o.failed == nil {
		o.failed = err
	}
	return len(p), nil
}

func (o *setupOutput) close() error {
	var err error
	if o.left > 0 {
		_, err = fmt.Fprintf(o.file, "\n[%d bytes more, of which the end is:]\n%s", o.left, o.tail.Text(process.Secrets{}))
	}
	return errors.Join(o.failed, err, o.file.Close())
}
