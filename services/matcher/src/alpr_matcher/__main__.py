from alpr_matcher.main import main

raise SystemExit(main())
