# Run by `sam build` (template.yaml: BuildMethod makefile). The function is the very bundle that `npm test` runs.
.PHONY: build-KeyRotationFunction

build-KeyRotationFunction:
	test -x node_modules/.bin/esbuild || npm ci --no-audit --no-fund
	npm run --silent build
	cp -R dist/lambda/. "$(ARTIFACTS_DIR)"
