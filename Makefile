# Run by `sam build` (template.yaml: BuildMethod makefile). Puts the very bundle that `npm run build` makes and the tests
# run where SAM wants it, and leaves dist/ alone.
.PHONY: build-KeyRotationFunction

build-KeyRotationFunction:
	test -x node_modules/.bin/esbuild || npm ci --no-audit --no-fund
	out="$$(mktemp -d)" && node esbuild.config.mjs --out "$$out" && cp -R "$$out/lambda/." "$(ARTIFACTS_DIR)" && rm -rf "$$out"
