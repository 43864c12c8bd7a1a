package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// logFiles is how many log files a process has: one that is written and three older ones.
	logFiles = 4
	// logTick is how often a log file is looked at.
	logTick = 250 * time.Millisecond
	// lineLimit is how much of a line is forwarded: its beginning.
	lineLimit = 4 << 10
)

// logFile is the file that a process writes to. Its methods are safe for concurrent use.
type logFile struct {
	path  string
	limit int64 // of one file
	file  *os.File

	mu   sync.Mutex
	read int64 // up to here its lines were forwarded
	line []byte
}

func logPath(dir, instance string) string { return filepath.Join(dir, instance+".log") }

func createLog(path string, total int64) (*logFile, error) {
	return openAt(path, total, os.O_CREATE)
}

// openLog opens the log file of a process that an earlier table started. What was printed before is not forwarded.
func openLog(path string, total int64) (*logFile, error) {
	l, err := openAt(path, total, 0)
	if err != nil {
		return nil, err
	}
	l.read, err = l.file.Seek(0, io.SeekEnd)
	return l, err
}

func openAt(path string, total int64, flags int) (*logFile, error) {
	file, err := os.OpenFile(filepath.Clean(path), os.O_RDWR|os.O_APPEND|flags, 0o600)
	if err != nil {
		return nil, err
	}
	return &logFile{path: path, limit: total / logFiles, file: file}, nil
}

// end returns the end of what was printed, enough for Secrets.Clean.
func (l *logFile) end() []byte {
	const limit = OutputLimit + secretLimit
	l.mu.Lock()
	defer l.mu.Unlock()
	text := endOf(l.file, limit)
	if len(text) < limit {
		if older, err := os.Open(older(l.path, 1)); err == nil {
			text = append(endOf(older, limit-len(text)), text...)
			_ = older.Close()
		}
	}
	return text
}

func endOf(file *os.File, limit int) []byte {
	info, err := file.Stat()
	if err != nil {
		return nil
	}
	from := max(0, info.Size()-int64(limit))
	text, err := io.ReadAll(io.NewSectionReader(file, from, int64(limit)))
	if err != nil {
		return nil
	}
	return text
}

// forward calls say for each line that was printed since the last time; all: for an unfinished one too.
func (l *logFile) forward(all bool, say func(line []byte)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forwardLocked(say)
	if all && len(l.line) > 0 {
		say(l.line)
		l.line = nil
	}
}

func (l *logFile) forwardLocked(say func(line []byte)) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := l.file.ReadAt(buffer, l.read)
		l.read += int64(n)
		for part := range bytes.Lines(buffer[:n]) {
			text, ended := bytes.CutSuffix(part, []byte("\n"))
			l.line = append(l.line, text[:min(len(text), lineLimit+secretLimit-len(l.line))]...)
			if ended {
				say(l.line)
				l.line = nil
			}
		}
		if err != nil || n == 0 {
			return
		}
	}
}

// rotate copies and truncates the file when it has grown too large.
func (l *logFile) rotate(say func(line []byte)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	info, err := l.file.Stat()
	if err != nil || info.Size() <= l.limit {
		return err
	}
	for i := logFiles - 2; i > 0; i-- {
		if err := os.Rename(older(l.path, i), older(l.path, i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if say != nil {
		l.forwardLocked(say)
	}
	if err := l.copy(older(l.path, 1)); err != nil {
		return err
	}
	l.read = 0
	return l.file.Truncate(0)
}

// copy copies the file, or its end: while nobody looked it may have grown far beyond its limit.
func (l *logFile) copy(path string) error {
	to, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := l.file.Stat()
	if err == nil {
		from := int64(0)
		if info.Size() > 2*l.limit {
			from = info.Size() - l.limit
		}
		// One that prints faster than this copies would never let it end.
		_, err = io.Copy(to, io.NewSectionReader(l.file, from, 3*l.limit))
	}
	return errors.Join(err, to.Close())
}

func (l *logFile) remove() error { return errors.Join(l.file.Close(), removeLogs(l.path)) }

func removeLogs(path string) error {
	var failed []error
	for i := range logFiles {
		if err := os.Remove(older(path, i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// older names the log files: 0 is the one that is written.
func older(path string, i int) string {
	if i == 0 {
		return path
	}
	return fmt.Sprintf("%s.%d", path, i)
}

// keepLog looks after a process's log file until the process is dead or the table is closed.
func (t *Table) keepLog(e *entry) {
	if e.log == nil {
		return
	}
	defer e.log.file.Close() //nolint:errcheck // it was written by another
	ticker := time.NewTicker(logTick)
	defer ticker.Stop()
	var say func(line []byte)
	if t.config.Forward {
		say = func(line []byte) {
			t.config.Log.Info().Str("instance", e.record.Instance).Str("release", e.record.Release).
				Str("line", e.secrets.line(line)).Msg("a bot printed a line")
		}
	}
	for {
		select {
		case <-t.quit:
			return
		case <-e.done:
			if say != nil {
				e.log.forward(true, say)
			}
			return
		case <-ticker.C:
		}
		if say != nil {
			e.log.forward(false, say)
		}
		if err := e.log.rotate(say); err != nil {
			t.config.Log.Warn().AnErr("err", err).Str("instance", e.record.Instance).Msg("a log file could not be rotated")
		}
	}
}
