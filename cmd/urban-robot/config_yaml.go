package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a configuration file; no honest one comes near.
const (
	maxConfigBytes = 1 << 20
	maxConfigNodes = 20_000 // aliases written out
)

// readConfig reads a configuration file into a tree. The problems are those of the notation; the keys are judged later. The
// tree is nil if nothing of the file can be used.
//
// The YAML library is github.com/goccy/go-yaml, for its syntax tree: it knows line and column of every key, so that all
// problems are reported at once and where they are. Libraries that decode into structs stop at the first or have no positions.
// Its own error texts quote the file and so could print a secret; only its message and position are taken.
func readConfig(name string) (*node, []problem) {
	at := origin{from: fromFile, name: name}
	info, err := os.Stat(name)
	if err == nil && info.Size() > maxConfigBytes {
		err = fmt.Errorf("it has more than %d bytes", maxConfigBytes)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(name) //nolint:gosec // the operator names the file
	}
	if err != nil {
		return nil, []problem{newProblem(at, "", "cannot be read: "+plainCause(err))}
	}
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, []problem{syntaxProblem(at, err)}
	}
	r := yamlReader{at: at, anchors: map[string]ast.Node{}}
	bodies := slices.DeleteFunc(file.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	if len(bodies) > 1 {
		r.refuse(bodies[1].Body.GetToken(), "", "a second document begins here; write one")
	}
	root := &node{at: at, shape: shapeEmpty}
	if len(bodies) > 0 {
		root = r.node(bodies[0].Body, "")
	}
	switch root.shape {
	case shapeScalar, shapeList:
		r.refuse(bodies[0].Body.GetToken(), "", "is "+root.shape.String()+"; write keys such as listen: 127.0.0.1:8080")
		return nil, r.problems
	case shapeEmpty, shapeObject:
		root.shape = shapeObject
	}
	return root, r.problems
}

// plainCause is a file's error without the name of the file, which stands before it already.
func plainCause(err error) string {
	if cause, ok := errors.AsType[*os.PathError](err); ok {
		return cause.Err.Error()
	}
	return err.Error()
}

func syntaxProblem(at origin, err error) problem {
	message := "is not YAML"
	if cause, ok := errors.AsType[yaml.Error](err); ok {
		if tk := cause.GetToken(); tk != nil && tk.Position != nil {
			at.line, at.column = tk.Position.Line, tk.Position.Column
		}
		what, _, _ := strings.Cut(cause.GetMessage(), `"`) // what is quoted is from the file
		message += ": " + strings.TrimRight(what, ": ")
	}
	return newProblem(at, "", message)
}

// yamlReader turns a syntax tree into nodes.
type yamlReader struct {
	at       origin
	anchors  map[string]ast.Node
	nodes    int
	problems []problem
}

func (r *yamlReader) refuse(tk *token.Token, path, message string) {
	r.problems = append(r.problems, newProblem(r.origin(tk), path, message))
}

func (r *yamlReader) origin(tk *token.Token) origin {
	at := r.at
	if tk != nil && tk.Position != nil {
		at.line, at.column = tk.Position.Line, tk.Position.Column
	}
	return at
}

// node turns one value into a node. What cannot be one is refused and reads as empty.
func (r *yamlReader) node(from ast.Node, path string) *node {
	n := &node{at: r.origin(from.GetToken()), shape: shapeEmpty}
	if r.nodes++; r.nodes > maxConfigNodes {
		if r.nodes == maxConfigNodes+1 {
			r.refuse(from.GetToken(), path, fmt.Sprintf("more than %d values; write fewer aliases", maxConfigNodes))
		}
		return n
	}
	switch v := from.(type) {
	case *ast.MappingNode:
		n.shape = shapeObject
		r.object(n, v.Values, path)
	case *ast.MappingValueNode:
		n.shape = shapeObject
		r.object(n, []*ast.MappingValueNode{v}, path)
	case *ast.SequenceNode:
		n.shape = shapeList
		for i, value := range v.Values {
			item := r.node(value, path)
			n.object = append(n.object, entry{key: strconv.Itoa(i), at: item.at, value: item})
		}
	case *ast.StringNode:
		n.shape, n.text = shapeScalar, v.Value
		n.quoted = v.Token.Type == token.SingleQuoteType || v.Token.Type == token.DoubleQuoteType
	case *ast.LiteralNode:
		n.shape, n.text, n.quoted = shapeScalar, v.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		n.shape, n.text = shapeScalar, from.GetToken().Value
	case *ast.NullNode:
	case *ast.AnchorNode:
		read := r.node(v.Value, path)
		r.anchors[v.Name.GetToken().Value] = v.Value
		return read
	case *ast.AliasNode:
		if aliased := r.aliased(v, path); aliased != nil {
			return r.node(aliased, path)
		}
	default:
		r.refuse(from.GetToken(), path, "this notation is not read here; write a plain value")
	}
	return n
}

// aliased returns what an alias stands for. An anchor counts from its end on, so that nothing contains itself.
func (r *yamlReader) aliased(alias *ast.AliasNode, path string) ast.Node {
	target, ok := r.anchors[alias.Value.GetToken().Value]
	if !ok {
		r.refuse(alias.GetToken(), path, "there is no such anchor above")
	}
	return target
}

// object adds the keys of a mapping; keys merged by << stand behind those written out.
func (r *yamlReader) object(n *node, pairs []*ast.MappingValueNode, path string) {
	var merged []ast.Node
	for _, pair := range pairs {
		tk := pair.Key.GetToken()
		switch pair.Key.(type) {
		case *ast.MergeKeyNode:
			merged = append(merged, pair.Value)
			continue
		case *ast.MappingKeyNode:
			r.refuse(tk, path, "this notation is not read here; write key: value")
			continue
		}
		key := tk.Value
		if old := n.get(key); old != nil {
			r.refuse(tk, joinPath(path, key), fmt.Sprintf("stands here a second time, first in line %d; write it once", old.at.line))
			continue
		}
		n.object = append(n.object, entry{key: key, at: r.origin(tk), value: r.node(pair.Value, joinPath(path, key))})
	}
	for _, from := range merged {
		r.merge(n, r.node(from, path), path)
	}
}

func (r *yamlReader) merge(n, from *node, path string) {
	switch from.shape {
	case shapeObject:
		for _, e := range from.object {
			if n.get(e.key) == nil {
				n.object = append(n.object, e)
			}
		}
	case shapeList:
		for _, item := range from.object {
			r.merge(n, item.value, path)
		}
	case shapeScalar, shapeEmpty:
		r.problems = append(r.problems, newProblem(from.at, path, "only a group of keys can be merged with <<; write an alias of one"))
	}
}
