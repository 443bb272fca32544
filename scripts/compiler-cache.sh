# Sourced by ./check and ./demo: compiles through ccache where it is installed, so that another clone of the same sources
# compiles little. Nothing depends on it.
if [ -z "${CMAKE_CXX_COMPILER_LAUNCHER:-}" ] && command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache
  export CCACHE_BASEDIR="${CCACHE_BASEDIR:-$PWD}"  # paths below it are told relative,
  export CCACHE_NOHASHDIR=1                        # and where the clone stands does not count
fi
