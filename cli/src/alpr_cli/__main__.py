from alpr_cli.main import main

raise SystemExit(main())
